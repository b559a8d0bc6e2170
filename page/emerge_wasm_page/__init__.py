"""Emerge's page, as it is built: in `files`, where `emerge up` and `emerge relay start` of emerge-wasm find it."""
