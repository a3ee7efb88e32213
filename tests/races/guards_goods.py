"""The guards of goods and stock: no piece is promised to two, nothing is moved twice, a piece has one owner."""

from .declaring import condition, guard, lock, on_conflict
from .stories import goods
from .taking_out import replaced, unique

_SERVICES = "crm/catalogue/services"
GUARDS = [
    guard("stock: the last piece kept once", f"{_SERVICES}/holding.py:lock_level", lock(), goods.two_who_keep_the_last_piece),
    guard("stock: the last piece agreed to once", f"{_SERVICES}/transfers.py:answer_transfer",
          replaced("crm.catalogue.services.transfers:lock_level", lambda *_, **__: None),
          goods.two_requests_for_the_last_piece_agreed_to),
    guard("transfers: one step at a time", "crm/catalogue/stock_models.py:TransferRequest.move_to",
          condition(r'"crm_transferrequest"\."state" = %s'), goods.a_request_agreed_to_and_withdrawn),
    guard("reservations: put back once", f"{_SERVICES}/holding.py:release", condition(r'"crm_reservation"\."state" = %s'),
          goods.a_kept_piece_put_back_by_two),
    guard("reservations: expired by one", f"{_SERVICES}/holding.py:expire_reservations", lock(), goods.two_who_expire_a_promise),
    guard("transfers: expired by one", f"{_SERVICES}/transfers.py:expire_transfers", lock(), goods.two_who_expire_a_request),
    guard("movements: a key twice is no error", f"{_SERVICES}/moving.py:_MOVE", on_conflict(), goods.a_sale_told_twice),
    guard("stock: a place's first row", f"{_SERVICES}/moving.py:_MAKE_LEVELS", on_conflict(), goods.two_first_movements_of_a_place),
    guard("items: one owner", f"{_SERVICES}/items.py:register_piece",
          (lock(), condition(r'"crm_itemcode"\."registered_at" IS NULL')), goods.two_who_register_a_piece),
    guard("items: as many as were bought", f"{_SERVICES}/items.py:register_piece", lock(), goods.two_pieces_of_one_purchase),
    guard("items: made once", f"{_SERVICES}/items.py:make_codes", unique("crm_itembatch", "key"), goods.codes_made_twice),
    guard("prices: ended by one", f"{_SERVICES}/pricing.py:end_price", lock(), goods.two_who_end_a_price),
    guard("tags: set by one after the other", f"{_SERVICES}/tagging.py:set_tag", lock(), goods.two_who_set_a_tag),
]  # fmt: skip

REASONS = {
    "crm/catalogue/computing.py:_CHANGE": "one run a night; the key refuses a second of the same value",
    "crm/catalogue/intake.py:commit_pieces": "the batch of an intake, a part after the other",
    "crm/catalogue/intake.py:commit_stock": "the order of locks beside another feed; the later count stands",
    "crm/catalogue/loading.py:load_product_tags": "loaded by one command; the key refuses a second",
    "crm/catalogue/services/filling.py:fill_styles": "the key refuses a second size",
}
