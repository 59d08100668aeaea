"""Faults that the kit must withstand, tried in full by `make torture` and in short by `make test`."""
