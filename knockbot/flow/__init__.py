"""The verbs of knockbot: arrive, judge, review, worker, reconcile."""
