"""FID and KID of transferred views against frames of the dataset."""
