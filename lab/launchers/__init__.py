"""What learn-runtimes is made of: the audit records, the launchers that cause them, and what was found."""
