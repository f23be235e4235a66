"""What lab/learn-circumstances is made of."""
