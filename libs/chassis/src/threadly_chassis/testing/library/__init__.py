"""Two smallest services, an owner of stories and a reader that keeps copies; rebuilds are tested on them."""
