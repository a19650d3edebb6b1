"""Makes nasnb/data/fashion_sample.npz and .txt from Fashion-MNIST; `--check` only compares.

python tests/make_fashion_sample.py /usr/share/datasets/fashion-mnist [--check]
(the folder of Debian's package dataset-fashion-mnist, or any with the four original files, gzipped or not)
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from nasnb.data.loaders import SAMPLE_FILE, read_fashion
from nasnb.data.sets import hash_of

SEED = 0
PER_CLASS = {"train": 400, "t10k": 100}

NOTICE = """\
fashion_sample.npz: 5,000 images of Fashion-MNIST, 28x28 grey pixels, 10 classes.

train_images, train_labels   400 images of each class, from its 60,000 training images
test_images, test_labels     100 images of each class, from its 10,000 test images

Of every class, the images whose SHA-256 of "fashion-sample/{seed}/<train or t10k>/<index>" is lowest; in rounds of one
image of each class, so that every ten images in a row hold every class once.
Made by tests/make_fashion_sample.py from Debian's package dataset-fashion-mnist.

sha256 {digest}  fashion_sample.npz

Origin: https://github.com/zalandoresearch/fashion-mnist
Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.

The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def chosen(labels: np.ndarray, part: str) -> list[int]:
    """Indices of the sample, in its order."""

    def rank(index: int) -> bytes:
        return hash_of("fashion-sample", SEED, part, index)

    classes = [sorted(np.flatnonzero(labels == label).tolist(), key=rank) for label in range(10)]
    rounds = zip(*(members[: PER_CLASS[part]] for members in classes), strict=True)
    return [index for members in rounds for index in sorted(members, key=rank)]


def packed(folder: Path) -> bytes:
    """The .npz: a zip archive of .npy files with fixed times, so that it is the same byte for byte."""
    arrays = {}
    for part, name in (("train", "train"), ("t10k", "test")):
        images, labels = read_fashion(folder, part)
        indices = chosen(labels, part)
        arrays |= {f"{name}_images": images[indices], f"{name}_labels": labels[indices]}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, member.getvalue())
    return content.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the files differ")
    options = parser.parse_args()
    sample = packed(options.folder)
    notice = NOTICE.format(seed=SEED, digest=hashlib.sha256(sample).hexdigest()).encode()
    same = True
    for path, content in ((SAMPLE_FILE, sample), (SAMPLE_FILE.with_suffix(".txt"), notice)):
        if options.check:
            equal = path.exists() and path.read_bytes() == content
            same &= equal
            print(f"{path.name}: {'as made' if equal else 'differs'}")
        else:
            path.write_bytes(content)
            print(f"{path.name}: {len(content)} bytes written")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
