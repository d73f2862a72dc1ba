"""What a builder runs. These files go to it as they are; none of them imports burstlens."""
