"""From a reference to a classifier that may serve."""

from pathlib import Path

from burstlens.errors import Misconfigured
from burstlens.recognition.classifier import DEFAULT_LIMITS, Classifier
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.model import Model
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session
from burstlens.recognition.session import Session
from burstlens.recognition.sources import find_model
from burstlens.recognition.verification import verify_once, why_unloadable


def load_classifier(
    reference: str = "lite0",
    manifest: str = "",
    cache: Path | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
    provider: Provider = Provider.AUTO,
) -> Classifier:
    """The classifier of the model `reference` (see `find_model`), verified unless it was before.

    Raises:
        Misconfigured: there is no such model, it does not do what its manifest says, the provider that was asked for
            is not to be had, or the cache cannot be used.
        UntrustedWeights: what is installed or fetched is not what was reviewed.
    """
    model = find_model(reference, manifest, cache)
    session = open_model(model, provider)
    verify_once(model, session, cache)
    return Classifier(model, session, limits)


def open_model(model: Model, provider: Provider = Provider.AUTO) -> Session:
    """The model on the provider, not yet verified.

    Raises:
        Misconfigured: it cannot be loaded, lacks the input or output of its manifest, or the provider that was asked
            for is not to be had.
    """
    try:
        return open_session(model.file, provider, model.manifest.input, model.manifest.output)
    except Misconfigured as error:
        if why := why_unloadable(model):
            raise Misconfigured(why) from error
        raise
