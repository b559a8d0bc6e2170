"""The headers of a document that is served from our origin and has none itself: no cookies, no storage, no network."""

from __future__ import annotations


def closed_headers(*own: str) -> dict[str, str]:
    """The headers of a closed document whose policy has these directives of its own."""
    policy = [
        "sandbox allow-scripts",
        "default-src 'none'",
        *own,
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        # Firefox asks as the frame itself, which has no origin; who may frame it, the policy says
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=()",
        "Cache-Control": "public, max-age=31536000, immutable",  # the page names the build in the query
    }
