"""What robustness and landscape share: trained models from their checkpoints, and images to judge them on."""
