"""Checkouts, payments and orders: who gets an item, and that money and items always match.

Knows Stripe and nothing of how items look; decides who buys, never what is for sale.
"""
