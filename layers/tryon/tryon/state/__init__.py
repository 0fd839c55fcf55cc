"""What a run is while it goes on, in DynamoDB: its item, its combinations, the slots that all runs share."""
