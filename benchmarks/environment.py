"""What a function finds in its environment, for the benchmarks that import its handler."""

from tryon.pictures.images import MAX_INPUT_BYTES

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEDUMMY",
    "AWS_SECRET_ACCESS_KEY": "dummy",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "tryon",
    "POWERTOOLS_METRICS_NAMESPACE": "tryon",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "LEDGER_TABLE": "ledger",
    "GATE_TABLE": "gate",
    "SLOTS": "10",
    "PACE_SECONDS": "0",
    "REQUESTS_PER_SECOND": "0",
    "DEADLINE_SECONDS": "300",
    "PATIENCE_SECONDS": "43200",
    "SERVICE_CLIENT": "signed",
    "SERVICE_ENDPOINT": "https://service.test",
    "SERVICE_REGION": "cn-north-1",
    "SERVICE_SECRET": "secret",
    "CADENCE": "5, 8, 10, 8, 10",
    "MAX_COMBINATIONS": "200000",
    "MAX_IMAGE_BYTES": str(MAX_INPUT_BYTES),
    "INPUT_BUCKETS": "",
    "PRICE_PER_TASK": "1",
    "CURRENCY": "CNY",
}
