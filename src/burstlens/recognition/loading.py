"""From a reference to a classifier that may serve."""

from pathlib import Path

from burstlens.aws.options import AwsOptions
from burstlens.recognition.classifier import DEFAULT_LIMITS, Classifier
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.provider import Provider
from burstlens.recognition.sources import HERE, find_model
from burstlens.recognition.verification import verified_session


def load_classifier(
    reference: str = "lite0",
    manifest: str = "",
    cache: Path | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
    provider: Provider = Provider.AUTO,
    aws: AwsOptions = HERE,
) -> Classifier:
    """The classifier of the model `reference` (see `find_model`), verified unless it was before.

    Raises:
        Misconfigured: there is no such model, it does not do what its manifest says, the provider that was asked for
            is not to be had, or the cache cannot be used.
        UntrustedWeights: what is installed or fetched is not what was reviewed.
    """
    model = find_model(reference, manifest, cache, aws)
    return Classifier(model, verified_session(model, provider, cache), limits)
