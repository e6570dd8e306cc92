"""The audit's checks: one file a claim. `pipeline.auditing.audit` goes through them."""
