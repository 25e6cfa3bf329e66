"""Kubernetes, through its official client: kind, minikube or any cluster you have."""
