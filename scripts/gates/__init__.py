"""Gate tuning of sge_efficientnet_lite0 on a GPU, or step by step on a CPU: how its tuned model is made and measured."""
