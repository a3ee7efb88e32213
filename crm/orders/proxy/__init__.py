"""代客下单: a guide fills a basket for a member from the chat, he pays on his own phone.

models      what was asked of whom, how he is to pay, where it goes; the money and its states are the sale's (crm/orders/checkout)
services    basket, sending, what the member does, what comes of it
queries     the basket's page, how an order stands, the lists
pages       the guide's three steps (05, 05b) and the state page; store_pages the manager's list
"""
