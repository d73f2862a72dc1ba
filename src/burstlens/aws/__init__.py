"""What every AWS adapter shares: where AWS is, who asks, and what its errors mean."""
