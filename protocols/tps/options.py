"""Settings of `tps`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.metrics.identity_feature import Feature
from protocols.shared.transfer_plan import TransferOptions


class TpsOptions(TransferOptions):
    """Settings of tps: beside those of the transfer, how clips are compared."""

    name: str = "tps"
    version: Annotated[
        Literal["3", "xfactor"], Field(description="Which numbers are printed: 3 (ours) or xfactor (the paper's).")
    ] = "3"
    min_baseline: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Signed errors count only views of A this fraction of the clip's widest baseline apart.",
        ),
    ] = 0.1
    ceiling_blur: Annotated[
        float,
        Field(gt=0, description="Standard deviation in pixels of the blur whose effect on the oracle is measured."),
    ] = 1.0
    identity: Annotated[
        Feature, Field(description="How frames are compared, to tell scene B from A: histogram or inception.")
    ] = Feature.HISTOGRAM
