"""代客下单 on the guide's phone: 1 选货 (choosing, 05), 2 确认收款 (paying, 05b), 3 how it stands (standing). Every price is the server's."""
