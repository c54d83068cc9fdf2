-- The catalogue of the sandbox.  Run by the owner role; may be run again.
SELECT dues.catalogue_put_tier('free', 'Free', 0, true, ARRAY['library.read']);
SELECT dues.catalogue_put_tier('premium', 'Premium', 1, false,
    ARRAY['library.read', 'library.download', 'video.hd']);
SELECT dues.catalogue_put_tier('platinum', 'Platinum', 2, false,
    ARRAY['library.read', 'library.download', 'video.hd', 'video.4k', 'support.priority']);

SELECT dues.catalogue_put_plan('free', 'free', 'Free', 'USD', 0, 'MONTH', 1, 0);
SELECT dues.catalogue_put_plan('premium-monthly', 'premium', 'Premium, monthly', 'USD', 999, 'MONTH', 1, 0);
SELECT dues.catalogue_put_plan('premium-yearly', 'premium', 'Premium, yearly', 'USD', 9990, 'YEAR', 1, 14);
SELECT dues.catalogue_put_plan('platinum-monthly', 'platinum', 'Platinum, monthly', 'USD', 1999, 'MONTH', 1, 0);
SELECT dues.catalogue_put_plan('platinum-yearly', 'platinum', 'Platinum, yearly', 'USD', 19990, 'YEAR', 1, 0);
