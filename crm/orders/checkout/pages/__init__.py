"""Pages of the till: selling (till), paying (paying), goods that come back (returning), promotions of HQ."""
