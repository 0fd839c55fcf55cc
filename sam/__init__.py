"""Lambda functions in containers: what `sam build` and `sam local` need, on a machine that has none of it."""
