"""People who may come in before they knock, by the word of somebody who may accept them."""
