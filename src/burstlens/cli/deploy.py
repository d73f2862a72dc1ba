"""`burstlens deploy`: what a fleet needs in a cloud, made and removed."""

import typer

from burstlens.cli.deploy_aws import aws
from burstlens.cli.deploy_openstack import openstack

deploy = typer.Typer(
    help="Make what a fleet needs in a cloud, and remove it.\n\nExample: burstlens deploy aws up", no_args_is_help=True
)
deploy.add_typer(aws, name="aws")
deploy.add_typer(openstack, name="openstack")
