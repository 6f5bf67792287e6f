"""Demo data, and the story of one sale, told through the gateway like any other client would."""
