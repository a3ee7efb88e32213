"""常用答复: sentences that stand ready where a ticket is answered; the service desk keeps them."""
