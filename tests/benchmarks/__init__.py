"""Speed, each figure beside its rival in the same run; never part of the tests."""
