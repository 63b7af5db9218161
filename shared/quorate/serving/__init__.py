"""What every server of Quorate is: errors as statuses, health, drain; and what makes a worker of it."""
