from burstlens.recognition.labels import labels


def test_every_class_has_the_label_that_clients_know() -> None:
    known = {0: "tench", 99: "goose", 243: "Bullmastiff", 435: "bathtub", 999: "toilet paper"}
    assert {index: labels()[index] for index in known} == known
    assert len(labels()) == 1000
    assert all(label == label.strip() != "" for label in labels())


def test_no_label_breaks_the_course_answer() -> None:
    """The second course client takes what stands between the first and the second colon."""
    assert not [label for label in labels() if ":" in label or "\n" in label]
