"""The fleet's queues: how much is in them, and removing those that no stack knows."""

from dataclasses import asdict, dataclass

from burstlens.deploy.aws.account import Account
from burstlens.errors import NotFound


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """SQS's three approximate counts."""

    visible: int
    in_flight: int
    delayed: int

    def as_json(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


def queue_urls(account: Account) -> dict[str, str]:
    """Every queue of the fleet: request queue, response queues, dead letters; URL by name."""
    pages = account.pages("sqs", "list_queues", QueueNamePrefix=account.names.queue_prefix, MaxResults=1000)
    urls = {url.rpartition("/")[2]: url for page in pages for url in page.get("QueueUrls", ())}
    return {name: url for name, url in sorted(urls.items()) if account.names.owns_queue(name)}


def queue_depth(account: Account, url: str) -> QueueDepth | None:
    """How much is in a queue; None when it is gone."""
    counts = {
        "visible": "ApproximateNumberOfMessages",
        "in_flight": "ApproximateNumberOfMessagesNotVisible",
        "delayed": "ApproximateNumberOfMessagesDelayed",
    }
    try:
        answer = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=list(counts.values()))
    except NotFound:
        return None  # SQS lists a queue for up to a minute after its end
    return QueueDepth(**{name: int(answer["Attributes"][attribute]) for name, attribute in counts.items()})


def remove_queues(account: Account) -> None:
    """Delete every queue of the fleet that is left, messages and all."""
    for name, url in queue_urls(account).items():
        try:
            account.ask("sqs", "delete_queue", QueueUrl=url)
        except NotFound:
            continue
        account.say(f"  deleted the queue {name}")
