"""What a deployment needs on AWS: one CloudFormation stack, and the images that its instances start from."""
