"""Policies of other autoscalers, faithful to their formulas, to be compared with."""
