"""`continuum env SITE`: what points S3 clients at a site's gateway."""

import shlex
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.model.errors import NotFoundError

# Gateways take signatures for any region. For us-east-1 botocore presigns URLs with Signature Version 2,
# which nobody should use any more and gateways refuse.
REGION = "continuum"


def env(
    site: Annotated[str, typer.Argument(help="The site whose gateway to use; default: the first one.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print `export` lines with your keys and a site's gateway, for aws, boto3, s3cmd and the like.

    Example: `eval "$(continuum env edge)"; aws s3 ls`
    """
    chosen = open_home(home)
    sites = {each.name: each for each in chosen.continuum().sites}
    found = sites.get(site) if site else next(iter(sites.values()), None)
    if found is None:
        raise NotFoundError(f"there is no site {site}", hint=f"there are: {', '.join(sites)}")
    access_key, secret_key = chosen.credentials()
    variables = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": found.gateway_url,
        "AWS_DEFAULT_REGION": REGION,
    }
    if found.gateway_url.startswith("https:"):
        variables["AWS_CA_BUNDLE"] = str(chosen.ca_file)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
