"""What guides does when something it listens to has happened. Nothing yet: patrol and notices come later."""
