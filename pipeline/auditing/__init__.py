"""The audit's checks: one file a claim. `pipeline.audit` goes through them."""
