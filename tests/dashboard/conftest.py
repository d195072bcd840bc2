from tests.runs import glo_run, taylor_run, unfinished_run

__all__ = ["glo_run", "taylor_run", "unfinished_run"]
