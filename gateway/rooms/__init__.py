"""Rooms from elsewhere: read from a table or from Places, compared, put into the configuration.

`table` reads CSV, `changes` compares with the configuration, `edit` changes its text.
"""
