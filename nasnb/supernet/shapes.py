"""The shapes that signatures name. A dimension of one name has one size in all arguments of a call: tests check it.

What a function makes has dimensions of its own (`new_...`) where it may change them.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Maps = Float[Tensor, "batch channels height width"]
NewMaps = Float[Tensor, "batch new_channels new_height new_width"]
Images = Float[Tensor, "batch image_channels image_height image_width"]
Logits = Float[Tensor, "batch classes"]
Labels = Int[Tensor, " batch"]
Kernels = Float[Tensor, "out in kernel_height kernel_width"]  # `in` per group
EdgeValues = Float[Tensor, " edges"]
OpValues = Float[Tensor, "edges ops"]  # alpha, mixing weights, scores: a row per edge
OpenOps = Bool[Tensor, "edges ops"]
Positions = Int[Tensor, " open"] | None  # of open edges; None: all of them
Scale = Float[Tensor, " scaled"] | None  # the mixing weight of every open edge; None: nothing is mixed
Scalar = Float[Tensor, ""]
Share = float | Scalar  # of drop path: a tensor where a step is recorded
