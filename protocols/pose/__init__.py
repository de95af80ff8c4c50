"""Accuracy of explicit cameras."""
