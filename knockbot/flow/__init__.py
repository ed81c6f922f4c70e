"""The verbs of knockbot: intake, judge, review, worker, reconcile."""
