"""Settings of `fid`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.metrics.identity_feature import Feature
from protocols.shared.transfer_plan import TransferOptions


class FidOptions(TransferOptions):
    """Settings of fid: beside those of the transfer, how scenes are told apart, how KID is averaged, and 8 bits."""

    name: str = "fid"
    version: Annotated[Literal["2"], Field(description="Version of the protocol.")] = "2"
    identity: Annotated[
        Feature, Field(description="How frames are compared, to tell scene B from A: histogram or inception.")
    ] = Feature.HISTOGRAM
    target: Annotated[
        int, Field(ge=1, description="Target views of a clip, and real frames of B in each of the two sets.")
    ] = 5
    quantise: Annotated[
        bool, Field(description="Round all frames to 8 bits first, as clean-fid does, which reads PNGs.")
    ] = True
    subsets: Annotated[
        int, Field(ge=1, description="Subsets over which KID is averaged where there are more frames than subset_size.")
    ] = 100
    subset_size: Annotated[int, Field(ge=2, description="Frames of each set in a subset of KID.")] = 1000
