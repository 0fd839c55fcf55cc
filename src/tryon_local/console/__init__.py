"""A page that shows on this machine what the Step Functions console shows on AWS."""
