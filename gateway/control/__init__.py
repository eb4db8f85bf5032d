"""The control process: configuration, metrics, traces, admin API and console; never on a request's way."""
