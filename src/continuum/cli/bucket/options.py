"""Arguments and options that `continuum bucket copy`, `move` and `sync` share."""

from pathlib import Path
from typing import Annotated

import typer

from continuum.model.paths import Preference
from continuum.model.transfers import MAX_LANES

SourceArgument = Annotated[
    str, typer.Argument(help="s3://BUCKET[/PREFIX], STORE:BUCKET[/PREFIX] or file:///PATH.")
]
TargetArgument = Annotated[str, typer.Argument(help="The same forms.")]
PlanOption = Annotated[
    bool,
    typer.Option(
        "--plan", "--dry-run", help="Say what would be sent, how long and at what cost; send nothing."
    ),
]
IncludeOption = Annotated[list[str] | None, typer.Option(help="Only keys like this; may be given again.")]
ExcludeOption = Annotated[list[str] | None, typer.Option(help="No keys like this; may be given again.")]
ChecksumOption = Annotated[
    bool, typer.Option("--checksum", help="Compare content instead of times (size always counts).")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Send also what is there already.")]
BandwidthOption = Annotated[str, typer.Option(help="At most so many bytes per second, like 50M.")]
LanesOption = Annotated[
    int, typer.Option(min=0, max=MAX_LANES, help="Pieces under way at once; 0: found while it goes.")
]
SiteOption = Annotated[str, typer.Option(help="Use the gateway of this site for the name space.")]
EndpointOption = Annotated[str, typer.Option(help="Where STORE is: https://host[:port].")]
CredentialsOption = Annotated[
    str, typer.Option(help="Where the keys of STORE are: file:PATH, env:PREFIX or profile:NAME.")
]
RegionOption = Annotated[str, typer.Option(help="The region of STORE.")]
AddressingOption = Annotated[str, typer.Option(help="How STORE is addressed: path or virtual.")]
CaFileOption = Annotated[str, typer.Option(help="The authority of STORE's certificate (PEM).")]
StoresOption = Annotated[
    Path | None,
    typer.Option(help="A file that describes stores. Default: stores.toml in the home.", show_default=False),
]
PreferOption = Annotated[Preference, typer.Option(help="What makes one path over sites better than another.")]
VersionsOption = Annotated[
    bool, typer.Option("--versions", help="Also old versions and deletions, into a bucket that keeps them.")
]
