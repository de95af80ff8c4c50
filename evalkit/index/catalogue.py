"""The published lists: source, content and users of each.

The files belong to their authors and are not part of the package; `evalkit.index.find` locates them and checks their
digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from evalkit.index.readers import Format


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub at one commit, and its licence."""

    name: str
    commit: str
    licence: str = "MIT"


@dataclass(frozen=True)
class PublishedList:
    """A published list: its file, the digest of the file, and what the file must hold.

    Attributes:
        sha256, bytes: digest and size of the file.
        keys, usable: number of scenes that the list names, and of those that have frames.
        context, target: number of views of each scene; None where it varies or follows from the data.
        used_by: papers that evaluate on it.
    """

    name: str
    repository: Repository
    path: str
    sha256: str
    bytes: int
    keys: int
    usable: int
    context: int
    target: int | None
    used_by: str
    note: str = ""
    format: Format = Format.FRAMES

    @property
    def file(self) -> str:
        """Path of the file below a folder of lists."""
        return f"{self.repository.name.replace('/', '__')}/{self.path.rpartition('/')[2]}"

    @property
    def url(self) -> str:
        """Address of the file at the pinned commit."""
        return f"https://raw.githubusercontent.com/{self.repository.name}/{self.repository.commit}/{self.path}"

    @property
    def views(self) -> str:
        """Numbers of context and target views as "context/target", with * for a number that varies."""
        return f"{self.context}/{'*' if self.target is None else self.target}"


PIXELSPLAT = Repository("dcharatan/pixelsplat", "32b1b662bbba8c6a2b598433e4872f0d36639e43")
NOPOSPLAT = Repository("cvg/NoPoSplat", "9b04307ebe179d610c04208db8d69f7c3106d03b")
SPFSPLATV2 = Repository("ranrhuang/SPFSplatV2", "50861edb8ccef104034bc66d43dd23faa65724d0")
RAYZER = Repository("hwjiang1510/RayZer", "c34ca41e52e1725633228c56390d6ae5a3ba47b6", "CC BY-NC-SA 4.0")
ERAYZER = Repository("QitaoZhao/E-RayZer", "060c132b6effe5fc40ccd7dfcf2fd752df2137f3")
PF3PLAT = Repository("cvlab-kaist/PF3plat", "884dcb933af3079f445b36b2ea81a1853d364487")
MVSPLAT = Repository("donydchen/mvsplat", "175b17a636a081455c46b309eccacedd626a7d59")
MVSPLAT360 = Repository("donydchen/mvsplat360", "986a9917e6ddb103f5c6370890d42da65bf89d9e")
DEPTHSPLAT = Repository("cvg/depthsplat", "2dad25a7b9ba7c5537aba08463ef88d8511a06be")
LONGLRM = Repository("arthurhero/Long-LRM", "d92dd516699135be1e78c50305080d83aca0906c", "Apache-2.0")

_LISTS = (
    PublishedList(
        "re10k-pixelsplat", PIXELSPLAT, "assets/evaluation_index_re10k.json",
        "fbcff9b4b13139227d809af45b84bb5a7a9cdb1c7a55bced85b6c66556a219cc", 458266, 7194, 6474, 2, 3,
        "pixelSplat, MVSplat, PF3plat, LVSM", "3.0 % of targets are context frames",
    ),
    PublishedList(
        "re10k-pixelsplat-video", PIXELSPLAT, "assets/evaluation_index_re10k_video.json",
        "f1a66dc0a257e46f565fb0d5fb653708519435bbed6f9aec0c89c9dfeb83a051", 2225953, 7194, 6474, 2, None,
        "pixelSplat (videos), SelfSplat", "all frames from context to context, both included, are targets",
    ),
    PublishedList(
        "acid-pixelsplat", PIXELSPLAT, "assets/evaluation_index_acid.json",
        "7a08cf5c612b60b407c4cd395ff945180d852e1f7f4c0442102ad85e0e3a2fd1", 116346, 1848, 1595, 2, 3,
        "pixelSplat, MVSplat, PF3plat", "2.8 % of targets are context frames",
    ),
    PublishedList(
        "acid-pixelsplat-video", PIXELSPLAT, "assets/evaluation_index_acid_video.json",
        "c1dd1f886fcd36040c9de5764b7830bbdecd1935528aac261fe268cc89380da7", 631931, 1848, 1595, 2, None,
        "pixelSplat (videos)", "all frames from context to context, both included, are targets",
    ),
    PublishedList(
        "re10k-noposplat", NOPOSPLAT, "assets/evaluation_index_re10k.json",
        "4940dbd54f98dec8c0db6854f6ff97456856d437b85e3808fd3747ecca68c8fe", 1178183, 7194, 5601, 2, 3,
        "NoPoSplat, SPFSplat, SPFSplatV2, NAS3R", "no entry equals one of re10k-pixelsplat",
    ),
    PublishedList(
        "acid-noposplat", NOPOSPLAT, "assets/evaluation_index_acid.json",
        "e3983f0e7d2ddda9627478139f6fc4bb1e166fa19a934c33d43bb613e5e1be89", 287130, 1848, 1341, 2, 3,
        "NoPoSplat, SPFSplat, SPFSplatV2", "no entry equals one of acid-pixelsplat",
    ),
    PublishedList(
        "dtu-noposplat", NOPOSPLAT, "assets/evaluation_index_dtu.json",
        "8e7d457979217e011ba7c39b941d919402f2983a216b1f411e591eef7c638f07", 2963, 16, 16, 2, 4,
        "NoPoSplat, SPFSplat, SPFSplatV2, NAS3R", "views 33, 31 in this order; no video, so no temporal order",
    ),
    PublishedList(
        "scannetpp-noposplat", NOPOSPLAT, "assets/evaluation_index_scannetpp.json",
        "e0707d73c2de6d79bad9ac95433a18e87646c9d8b15510b10f97a417644833be", 4457, 50, 50, 2, 3,
        "NoPoSplat, SPFSplatV2", "overlap is -1 throughout, which released code calls medium; 17 % duplicates",
    ),
    PublishedList(
        "dl3dv-spfsplatv2", SPFSPLATV2, "assets/evaluation_index_dl3dv.json",
        "bdbc689c195eb1505b5e619eedf44fc6709a11c74356a010b1e8dd470611b3f1", 30733, 140, 140, 2, 3,
        "SPFSplatV2", "overlap is null throughout, which released code calls small; 7.9 % duplicates",
    ),
    PublishedList(
        "dl3dv-pf3plat-5", PF3PLAT, "assets/evaluation_index_dl3dv_5view.json",
        "4d0d8773d96e3c91f2006e5e70f694fbb46f23f50669cf0e411c5429661643c6", 15246, 140, 140, 2, 1,
        "PF3plat", "5 is the distance of the context frames in frames, not a number of views",
    ),
    PublishedList(
        "dl3dv-pf3plat-10", PF3PLAT, "assets/evaluation_index_dl3dv_10view.json",
        "843856262a0d06a88e1ebac5ef9b0ee0573a2791012d39dc5a6e92f3771a64ce", 15245, 140, 140, 2, 1,
        "PF3plat", "10 is the distance of the context frames in frames, not a number of views",
    ),
    PublishedList(
        "dl3dv-rayzer-even", RAYZER, "data/rayzer_evaluation_index_dl3dv_even.json",
        "4a8bc6947f2f6a2e2da3a5cbba8fa7beeb0e35bebc92c16ce23f989001d22298", 76086, 140, 140, 16, 8,
        "RayZer", "one rank pattern; the README's command scores 128 of the 140 scenes",
    ),
    PublishedList(
        "dl3dv-rayzer-even2", RAYZER, "data/rayzer_evaluation_index_dl3dv_random.json",
        "6fd36e0a0ee345830d6ac81f9d3d8d13b9a4a9013560c7dbf0ad196de44c5482", 76034, 140, 140, 16, 8,
        'RayZer ("random")', "upstream's \"random\" is a second draw of the even pattern, not a random split",
    ),
    PublishedList(
        "dl3dv-erayzer-10v", ERAYZER, "data_splits/dl3dv/test_full.txt",
        "6c4652d6ce0374211c576eef03c881cb1d5be2efede1ad58317e410237d7e815", 9100, 140, 140, 5, 5,
        "E-RayZer", "frames 0, 10, 21, .., 96 by rule; the file names the scenes", Format.ERAYZER_SCENES,
    ),
    PublishedList(
        "dtu-mvsplat-nctx2", MVSPLAT, "assets/evaluation_index_dtu_nctx2.json",
        "bb23a837cd644a51a88e3ecd32c3e38ca5a979214431bc6720bc6897c4a3cfbc", 3716, 64, 64, 2, 1,
        "MVSplat", "16 scenes, four entries each; views out of order", Format.NUMBERED,
    ),
    PublishedList(
        "dtu-mvsplat-nctx3", MVSPLAT, "assets/evaluation_index_dtu_nctx3.json",
        "67c463b58c3c4a694a66100e7947ec202b05a45aa7afc371f07bf771d7dfbb4f", 3972, 64, 64, 3, 1,
        "MVSplat", "16 scenes, four entries each; views out of order", Format.NUMBERED,
    ),
    PublishedList(
        "dl3dv-mvsplat360", MVSPLAT360, "assets/dl3dv_evaluation/dl3dv_ctx_5v_tgt_56v.json",
        "2aec4a2313c260cc059aae8b5ab9fa90a1156a4224f166c4f654d7c6f7dadb69", 52872, 140, 140, 5, 56,
        "MVSplat360", "in 113 scenes targets lie outside the context",
    ),
    PublishedList(
        "re10k-mvsplat360-extra", MVSPLAT360, "assets/re10k_evaluation/re10k_extra_latentsplat.json",
        "4b280fa193d16fe25ab9faa4cb638f565e80c372b4661ec8f6edcda125af70ec", 465717, 7194, 6424, 2, 3,
        "MVSplat360, latentSplat", "extrapolation: targets lie outside the context", Format.FRAME_LISTS,
    ),
    PublishedList(
        "dl3dv-depthsplat-10-2v", DEPTHSPLAT, "assets/dl3dv_start_0_distance_10_ctx_2v_tgt_4v.json",
        "eab21290cfab8eff12e208377b089b2a65e15f7ba44f7bb085963511354863f4", 15820, 140, 140, 2, 4,
        "DepthSplat", "first 10 frames of each scene",
    ),
    PublishedList(
        "dl3dv-depthsplat-50-2v", DEPTHSPLAT, "assets/dl3dv_start_0_distance_50_ctx_2v_video_0_50.json",
        "434c3e1bd9395cf7f0f2f0dc787d15a9bddd87865891fd5817fdfa6e711ad46d", 40884, 140, 140, 2, 50,
        "DepthSplat", "first 50 frames, all targets, the context among them",
    ),
    PublishedList(
        "dl3dv-depthsplat-50-4v", DEPTHSPLAT, "assets/dl3dv_start_0_distance_50_ctx_4v_video_0_50.json",
        "2bae3240e42b6f2bddd21ac20752c65996e2923d0606dbffef7d15fee33beeca", 42002, 140, 140, 4, 50,
        "DepthSplat", "first 50 frames, all targets, the context among them",
    ),
    PublishedList(
        "dl3dv-depthsplat-50-6v", DEPTHSPLAT, "assets/dl3dv_start_0_distance_50_ctx_6v_video_0_50.json",
        "3ab98877ef792fa91f2dd2982e7ea62c4033a1fb04a65fb63288e7a7ae3c4b9e", 43096, 140, 140, 6, 50,
        "DepthSplat", "first 50 frames, all targets, the context among them",
    ),
    PublishedList(
        "dl3dv-depthsplat-100-12v", DEPTHSPLAT, "assets/dl3dv_start_0_distance_100_ctx_12v_video.json",
        "3fe8659556e9395a19382c3c86e247234204db328cf3bbc8d67f9e2cdf4870d5", 73539, 140, 140, 12, None,
        "DepthSplat", "first 100 frames, targets from context to context, both included",
    ),
    PublishedList(
        "re10k-depthsplat-6v", DEPTHSPLAT, "assets/re10k_ctx_6v_video.json",
        "7098ee1a514a7635fbc9f995b2167ea3e75f14157d51c0da76093636f11f8ac6", 2019606, 1600, 1600, 6, None,
        "DepthSplat", "all frames from context to context, both included, are targets",
    ),
    PublishedList(
        "dl3dv-longlrm-16", LONGLRM, "data/dl3dv_fold_8_kmeans_input_idx.json",
        "843fd83e94d8cdc905b620ee3686a286e59225f4a11fd96c214d0a65a4dabef7", 139140, 140, 140, 16, None,
        "Long-LRM", "targets are every eighth frame of the whole scene", Format.KMEANS_16,
    ),
    PublishedList(
        "dl3dv-longlrm-32", LONGLRM, "data/dl3dv_fold_8_kmeans_input_idx.json",
        "843fd83e94d8cdc905b620ee3686a286e59225f4a11fd96c214d0a65a4dabef7", 139140, 140, 140, 32, None,
        "Long-LRM", "targets are every eighth frame of the whole scene", Format.KMEANS_32,
    ),
    PublishedList(
        "tnt-longlrm-16", LONGLRM, "data/tnt_fold_8_kmeans_input_idx.json",
        "2081172471a2cacf0967918099b0cd3728376b1b89c62218de8b4961bb175786", 1868, 2, 2, 16, None,
        "Long-LRM", "targets are every eighth frame of the whole scene", Format.KMEANS_16,
    ),
    PublishedList(
        "tnt-longlrm-32", LONGLRM, "data/tnt_fold_8_kmeans_input_idx.json",
        "2081172471a2cacf0967918099b0cd3728376b1b89c62218de8b4961bb175786", 1868, 2, 2, 32, None,
        "Long-LRM", "targets are every eighth frame of the whole scene", Format.KMEANS_32,
    ),
)  # fmt: skip
CATALOGUE = MappingProxyType({published.name: published for published in _LISTS})
