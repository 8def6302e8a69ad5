"""What is signed or sealed: links, unsubscribe addresses, the keyring."""
