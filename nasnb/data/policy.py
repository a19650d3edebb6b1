"""AutoAugment's policies on whole batches: images that get the same operation go through it together.

Cubuk et al., CVPR 2019, section 3 and appendix. An image gets one of 25 sub-policies, each two steps with a chance and
a level; level 9 is the end of the operation's range. The paper is silent about signs: each is drawn, also for the
enhancing operations, whose factor is 1 plus or minus up to 0.9 (torchvision reads it so, too).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

N_DRAWS = 5  # uniform numbers per image: sub-policy; then for both steps whether it acts, and its sign
FILL = 128.0  # grey, where a geometric operation moves nothing to; as the policy's official codes
SIGNED = {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"}

# One line per sub-policy; of both steps: operation, chance in tenths, level (0 where the operation has none).
_CIFAR10 = """
    Invert 1 0        Contrast 2 6
    Rotate 7 2        TranslateX 3 9
    Sharpness 8 1     Sharpness 9 3
    ShearY 5 8        TranslateY 7 9
    AutoContrast 5 0  Equalize 9 0
    ShearY 2 7        Posterize 3 7
    Color 4 3         Brightness 6 7
    Sharpness 3 9     Brightness 7 9
    Equalize 6 0      Equalize 5 0
    Contrast 6 7      Sharpness 6 5
    Color 7 7         TranslateX 5 8
    Equalize 3 0      AutoContrast 4 0
    TranslateY 4 3    Sharpness 2 6
    Brightness 9 6    Color 2 8
    Solarize 5 2      Invert 0 0
    Equalize 2 0      AutoContrast 6 0
    Equalize 2 0      Equalize 6 0
    Color 9 9         Equalize 6 0
    AutoContrast 8 0  Solarize 2 8
    Brightness 1 3    Color 7 0
    Solarize 4 5      AutoContrast 9 0
    TranslateY 9 9    TranslateY 7 9
    AutoContrast 9 0  Solarize 8 3
    Equalize 8 0      Invert 1 0
    TranslateY 7 9    AutoContrast 9 0
"""
_IMAGENET = """
    Posterize 4 8     Rotate 6 9
    Solarize 6 5      AutoContrast 6 0
    Equalize 8 0      Equalize 6 0
    Posterize 6 7     Posterize 6 6
    Equalize 4 0      Solarize 2 4
    Equalize 4 0      Rotate 8 8
    Solarize 6 3      Equalize 6 0
    Posterize 8 5     Equalize 10 0
    Rotate 2 3        Solarize 6 8
    Equalize 6 0      Posterize 4 6
    Rotate 8 8        Color 4 0
    Rotate 4 9        Equalize 6 0
    Equalize 0 0      Equalize 8 0
    Invert 6 0        Equalize 10 0
    Color 6 4         Contrast 10 8
    Rotate 8 8        Color 10 2
    Color 8 8         Solarize 8 7
    Sharpness 4 7     Invert 6 0
    ShearX 6 5        Equalize 10 0
    Color 4 0         Equalize 6 0
    Equalize 4 0      Solarize 2 4
    Solarize 6 5      AutoContrast 6 0
    Invert 6 0        Equalize 10 0
    Color 6 4         Contrast 10 8
    Equalize 8 0      Equalize 6 0
"""


class PolicyStep(NamedTuple):
    op: str
    chance: float
    level: int


class Action(NamedTuple):
    """What is done to an image in the end; `part` is the share of the operation's range, from -1 to 1."""

    op: str
    part: float


def _parsed(table: str) -> list[tuple[PolicyStep, PolicyStep]]:
    words = table.split()
    steps = [PolicyStep(words[i], int(words[i + 1]) / 10, int(words[i + 2])) for i in range(0, len(words), 3)]
    return list(zip(steps[::2], steps[1::2], strict=True))


POLICIES = {"autoaugment": _parsed(_CIFAR10), "autoaugment-imagenet": _parsed(_IMAGENET)}
_NOTHING = Action("Identity", 0.0)


class Policy:
    """The choices of one epoch. `draws` (n, 5) are uniform numbers on the CPU, in the order of the epoch."""

    def __init__(self, name: str, draws: Tensor, batch_size: int, device: torch.device) -> None:
        self.batch_size = batch_size
        self.steps = []
        for actions, numbers in chosen_actions(name, draws):
            # Within each batch, images are sorted by action. All of it here, so that a batch waits for no transfer.
            batch = torch.arange(len(numbers)) // batch_size
            order = torch.argsort(batch * len(actions) + numbers, stable=True)
            back = torch.argsort(order)
            first = batch * batch_size
            self.steps.append((actions, numbers[order], (order - first).to(device), (back - first).to(device)))

    def __call__(self, images: Tensor, index: int) -> Tensor:
        """Both steps for batch `index` of the epoch: uint8 (n, channels, height, width)."""
        at = slice(index * self.batch_size, (index + 1) * self.batch_size)
        for actions, numbers, order, back in self.steps:
            present, counts = numbers[at].unique_consecutive(return_counts=True)
            parts = images[order[at]].split(counts.tolist())
            done = [act(part, actions[number]) for part, number in zip(parts, present.tolist(), strict=True)]
            images = torch.cat(done)[back[at]]
        return images


def chosen_actions(name: str, draws: Tensor) -> list[tuple[list[Action], Tensor]]:
    """For both steps: the actions that occur in the policy, and for every image the number (n,) of its action."""
    sub_policies = POLICIES[name]
    row = (draws[:, 0] * len(sub_policies)).long()
    result = []
    for position in range(2):
        steps = [sub_policy[position] for sub_policy in sub_policies]
        actions = [(_action(step, 1), _action(step, -1)) for step in steps]
        numbered = {action: i for i, action in enumerate(dict.fromkeys([_NOTHING, *sum(actions, ())]))}
        table = torch.tensor([[numbered[action] for action in pair] for pair in actions])
        chance = torch.tensor([step.chance for step in steps], dtype=draws.dtype)
        acts, negative = draws[:, 1 + 2 * position] < chance[row], draws[:, 2 + 2 * position] < 0.5
        result.append((list(numbered), table[row, negative.long()] * acts))  # action 0 is to do nothing
    return result


def _action(step: PolicyStep, sign: int) -> Action:
    return Action(step.op, (sign if step.op in SIGNED else 1) * step.level / 9)


def act(images: Tensor, action: Action) -> Tensor:
    """One action on images, uint8 (n, channels, height, width)."""
    from torchvision.transforms.v2 import functional as tv  # late: only data and detection need torchvision

    op, part = action
    height, width = images.shape[2:]
    match op:
        case "Identity":
            return images
        case "ShearX":
            return _affine(images, shear=[_degrees(0.3 * part), 0.0], center=[0, 0])
        case "ShearY":
            return _affine(images, shear=[0.0, _degrees(0.3 * part)], center=[0, 0])
        case "TranslateX":  # the paper's range, 150 pixels, is meant for its ImageNet size, 331
            return _affine(images, translate=[int(150 / 331 * width * part), 0])
        case "TranslateY":
            return _affine(images, translate=[0, int(150 / 331 * height * part)])
        case "Rotate":
            return tv.rotate(images, 30 * part, fill=FILL)
        case "Brightness":
            return tv.adjust_brightness(images, 1 + 0.9 * part)
        case "Color":
            return tv.adjust_saturation(images, 1 + 0.9 * part)
        case "Contrast":
            return tv.adjust_contrast(images, 1 + 0.9 * part)
        case "Sharpness":
            return tv.adjust_sharpness(images, 1 + 0.9 * part)
        case "Posterize":
            return tv.posterize(images, bits=round(8 - 4 * part))
        case "Solarize":
            return tv.solarize(images, threshold=255 * (1 - part))
        case "AutoContrast":
            return tv.autocontrast(images)
        case "Equalize":
            return tv.equalize(images)
        case "Invert":
            return tv.invert(images)
    raise ValueError(f"unknown operation {op!r} in a policy")


def _affine(images: Tensor, *, translate=(0, 0), shear=(0.0, 0.0), center=None) -> Tensor:
    from torchvision.transforms.v2 import functional as tv

    return tv.affine(
        images, angle=0.0, translate=list(translate), scale=1.0, shear=list(shear), center=center, fill=FILL
    )


def _degrees(slope: float) -> float:
    return math.degrees(math.atan(slope))
