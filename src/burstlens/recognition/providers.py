"""From the name of an execution provider to a session on it."""

from pathlib import Path

from burstlens.recognition.provider import Provider
from burstlens.recognition.session import Session


def open_session(
    model: Path, provider: Provider = Provider.AUTO, input_name: str = "", output_name: str = ""
) -> Session:
    """Load the ONNX file `model` on one thread; empty names mean its first input and output.

    Raises:
        Misconfigured: the file cannot be loaded, has no such input or output, or a provider that was asked for by name
            is not to be had here: there is no silent fall-back.
    """
    if provider is Provider.OPENVINO:
        from burstlens.recognition.openvino_session import OpenVinoSession

        return OpenVinoSession.load(model, input_name, output_name)
    from burstlens.recognition.onnx_session import OnnxSession, has_gpu

    if provider is Provider.AUTO:
        provider = Provider.CUDA if has_gpu() else Provider.CPU
    return OnnxSession.load(model, provider, input_name, output_name)
