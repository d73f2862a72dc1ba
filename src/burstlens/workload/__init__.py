"""The workload generator: sends images as the field's clients do, and reports what came back."""
