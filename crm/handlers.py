"""What crm does when something it listens to has happened."""
