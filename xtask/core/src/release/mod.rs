//! What the forge MUST HOLD: a machine without clock or I/O.
