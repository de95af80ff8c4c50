"""All files of weights that metrics and oracles can use: source, size, SHA-256, licence, purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.errors import UserError, did_you_mean

_TORCHVISION = "https://download.pytorch.org/models"
_LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1"
)
_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Args:
        name: name in evalkit.
        file: name of the file.
        url: where it is downloaded from.
        bytes: size.
        sha256: digest of the content.
        licence: SPDX identifier.
        purpose: which metric or oracle needs it.
        also: other files that can be used instead (file name -> SHA-256), such as the feature layers alone.
    """

    name: str
    file: str
    url: str
    bytes: int
    sha256: str
    licence: str
    purpose: str
    also: Mapping[str, str] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """Return file name -> SHA-256 of all files that can be used, the file itself first."""
        return {self.file: self.sha256, **self.also}


_ALL = (
    Weights(
        name="lpips-vgg",
        file="lpips_v0.1_lin_vgg.pth",
        url=f"{_LPIPS}/vgg.pth",
        bytes=7_289,
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        licence="BSD-2-Clause",
        purpose="LPIPS (vgg): weights of the channels",
    ),
    Weights(
        name="lpips-alex",
        file="lpips_v0.1_lin_alex.pth",
        url=f"{_LPIPS}/alex.pth",
        bytes=6_009,
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        licence="BSD-2-Clause",
        purpose="LPIPS (alex): weights of the channels",
    ),
    Weights(
        name="lpips-squeeze",
        file="lpips_v0.1_lin_squeeze.pth",
        url=f"{_LPIPS}/squeeze.pth",
        bytes=10_811,
        sha256="4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        licence="BSD-2-Clause",
        purpose="LPIPS (squeeze): weights of the channels",
    ),
    Weights(
        name="vgg16",
        file="vgg16-397923af.pth",
        url=f"{_TORCHVISION}/vgg16-397923af.pth",
        bytes=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        licence="BSD-3-Clause",
        purpose="LPIPS (vgg): features",
    ),
    Weights(
        name="alexnet",
        file="alexnet-owt-7be5be79.pth",
        url=f"{_TORCHVISION}/alexnet-owt-7be5be79.pth",
        bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        licence="BSD-3-Clause",
        purpose="LPIPS (alex): features",
    ),
    Weights(
        name="squeezenet1_1",
        file="squeezenet1_1-b8a52dc0.pth",
        url=f"{_TORCHVISION}/squeezenet1_1-b8a52dc0.pth",
        bytes=4_958_839,
        sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        licence="BSD-3-Clause",
        purpose="LPIPS (squeeze): features",
        also={"squeezenet1_1_features.pth": "435cedb387e95bc8291893f61a3a64f0345b8c23a05139aceef43947efb3d52d"},
    ),
    Weights(
        name="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        url=f"{_FID}/pt_inception-2015-12-05-6726825d.pth",
        bytes=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence="Apache-2.0",
        purpose="FID, KID: the Inception of the TensorFlow release of 2015-12-05",
    ),
    Weights(
        name="vggt-1b",
        file="vggt_1b-f164acf6.safetensors",
        url=f"{_HUB}/facebook/VGGT-1B/resolve/860abec7937da0a4c03c41d3c269c366e82abdf9/model.safetensors",
        bytes=5_026_367_224,
        sha256="f164acf60724910d8fe1578bb499d800850c7bb0948db7555c413f9fbe60467e",
        licence="CC-BY-NC-4.0",
        purpose="oracle=vggt",
        also={"vggt_1b-d15bf50a.pt": "d15bf50a8615c8225ed48b51ea5cac673d82442ec0309036df555a053253afe0"},
    ),
    Weights(
        name="da3-small",
        file="da3_small-364492e3.safetensors",
        url=f"{_HUB}/depth-anything/DA3-SMALL/resolve/e08cab65ca0ec38e7826075418411ab90cab4da3/model.safetensors",
        bytes=137_248_940,
        sha256="364492e38a3a06d221ac75da7f6621ada3f2361cd24fde11ba79091e9f40efcf",
        licence="Apache-2.0",
        purpose="oracle=depth_anything_3 oracle.size=small",
    ),
    Weights(
        name="da3-base",
        file="da3_base-e01067dc.safetensors",
        url=f"{_HUB}/depth-anything/DA3-BASE/resolve/f4a6c9b3c95e41c82048423d3493a81ec3fa810e/model.safetensors",
        bytes=541_518_028,
        sha256="e01067dc1659613083d9145a9a2547ccdbe6ccbbf83c4fe7b3e8a4e2bdae78b5",
        licence="Apache-2.0",
        purpose="oracle=depth_anything_3 oracle.size=base",
    ),
)
CATALOGUE = {weights.name: weights for weights in _ALL}


def find(name: str) -> Weights:
    """Return the entry of a name; raises UserError for an unknown one."""
    if name not in CATALOGUE:
        raise UserError(f"no weights '{name}'{did_you_mean(name, CATALOGUE)}; type `evalkit weights list`")
    return CATALOGUE[name]
